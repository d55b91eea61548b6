// SPDX-License-Identifier: Apache-2.0
// The timeline: the operators, then a row an engine, on canvas; zooms from the whole run to single instructions.
import { axisTime, escaped, grouped, human, percent, tip } from './format.js';
import { operatorLanes, visibleBars } from './lod.js';
import { axis, base, colorOf } from './theme.js';

const MERGED = 0xffff;
const LEFT = 82;
const RIGHT = 18;
const ROW = 24;
const TOP = 8;
const BOTTOM = 74;
const LEAST_SPAN = 200; // picoseconds

// The kinds of operator that take most time get colors of their own.
export function kindColors(operators, theme) {
  const time = new Map();
  for (const use of operators) time.set(use.op, (time.get(use.op) ?? 0) + use.time_s);
  const kinds = [...time.keys()].sort((a, b) => time.get(b) - time.get(a));
  const colors = new Map();
  kinds.slice(0, theme.series.length).forEach((kind, i) => colors.set(kind, theme.series[i]));
  return { colors, others: kinds.length - colors.size };
}

export class Timeline {
  constructor(echarts, element, page, onWindow) {
    this.page = page;
    this.onWindow = onWindow;
    this.element = element;
    this.operators = page.result.operators;
    this.lanes = operatorLanes(this.operators);
    this.rows = page.engines.map((_, row) => row).filter((row) => page.timeline.rows[row][1] > page.timeline.rows[row][0]);
    this.rowAt = new Map(this.rows.map((row, i) => [row, i + this.lanes.count]));
    this.rowCount = this.lanes.count + this.rows.length;
    this.window = [0, page.spanPs];
    element.replaceChildren();
    this.tools = document.createElement('div');
    this.tools.className = 'tools screen';
    this.legend = document.createElement('p');
    this.legend.className = 'legend';
    this.canvas = document.createElement('div');
    this.canvas.style.height = `${TOP + ROW * this.rowCount + BOTTOM}px`;
    element.append(this.tools, this.legend, this.canvas);
    this.makeTools();
    this.chart = echarts.init(this.canvas, null, { renderer: 'canvas' });
    this.chart.on('datazoom', () => this.schedule());
    this.chart.on('dblclick', ({ data }) => data && this.zoomTo(data.bar.start, data.bar.end, 0.25));
  }

  makeTools() {
    const button = (text, title, action) => {
      const node = document.createElement('button');
      node.type = 'button';
      node.textContent = text;
      node.title = title;
      node.addEventListener('click', action);
      this.tools.append(node);
    };
    const scale = (factor) => {
      const [from, to] = this.window;
      const middle = (from + to) / 2;
      const half = Math.max(LEAST_SPAN, (to - from) * factor) / 2;
      this.setWindow(middle - half, middle + half);
    };
    button('+', 'Zoom in', () => scale(0.4));
    button('−', 'Zoom out', () => scale(2.5));
    button('Whole run', 'Show all of it', () => this.setWindow(0, this.page.spanPs));
    this.shown = document.createElement('span');
    this.tools.append(this.shown);
  }

  draw(theme) {
    this.theme = theme;
    this.current = this.bars();
    this.kinds = kindColors(this.operators, theme);
    this.writeLegend();
    const labels = [...Array(this.lanes.count).fill('').map((_, i) => (i === 0 ? 'operators' : '')),
      ...this.rows.map((row) => this.page.engines[row])];
    const style = axis(theme);
    const zoom = { xAxisIndex: 0, filterMode: 'none', minValueSpan: LEAST_SPAN };
    this.chart.setOption({
      ...base(theme),
      grid: { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM },
      tooltip: { ...base(theme).tooltip, formatter: ({ data }) => this.describe(data.bar) },
      xAxis: {
        type: 'value', min: 0, max: this.page.spanPs, ...style, splitNumber: 7,
        axisLabel: { ...style.axisLabel, hideOverlap: true, showMaxLabel: false, formatter: (ps) => axisTime(ps, (this.window[1] - this.window[0]) / 40) },
      },
      yAxis: {
        type: 'category', data: labels, inverse: true, ...style, splitLine: { show: false }, axisTick: { show: false },
        axisLine: { show: false }, axisLabel: { ...style.axisLabel, color: theme.ink, fontSize: 12, interval: 0, margin: 10 },
        splitArea: { show: true, areaStyle: { color: ['transparent', theme.soft] } },
      },
      dataZoom: [
        { type: 'inside', ...zoom, zoomOnMouseWheel: 'ctrl', moveOnMouseMove: true, moveOnMouseWheel: false, preventDefaultMouseMove: true, throttle: 30 },
        { type: 'slider', ...zoom, height: 22, bottom: 12, left: LEFT, right: RIGHT, showDetail: false, brushSelect: true,
          borderColor: theme.line, backgroundColor: 'transparent', fillerColor: `${theme.accent}22`, handleStyle: { color: theme.paper, borderColor: theme.accent },
          moveHandleStyle: { color: theme.accent, opacity: 0.5 }, dataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } } },
      ],
      series: [{ type: 'custom', clip: true, encode: { x: [0, 1], y: 2 }, renderItem: (params, api) => this.renderBar(params, api), data: this.current }],
    }, true);
    this.setWindow(...this.window);
  }

  writeLegend() {
    const items = [...this.kinds.colors].map(([kind, color]) => `<span><i class="dot" style="background:${color}"></i>${escaped(kind)}</span>`);
    if (this.kinds.others > 0) items.push(`<span><i class="dot" style="background:${this.theme.other}"></i>${this.kinds.others} more kinds</span>`);
    this.legend.innerHTML = items.join(' ');
  }

  plotWidth() {
    return Math.max(200, this.canvas.clientWidth - LEFT - RIGHT);
  }

  bars() {
    const [from, to] = this.window;
    const bars = visibleBars(this.page.timeline, from, to, this.plotWidth());
    this.exact = bars.every((bar) => bar.event >= 0);
    const items = [];
    const cell = (to - from) / this.plotWidth();
    const lastEnd = new Array(this.lanes.count).fill(-1);
    this.operators.forEach((use, i) => {
      const start = use.start_s * 1e12;
      const end = start + use.time_s * 1e12;
      const lane = this.lanes.lane[i];
      if (end < from || start > to || (end - start < cell && end < lastEnd[lane] + cell)) return;
      lastEnd[lane] = end;
      items.push({ value: [start, end, lane], bar: { start, end, row: -1, operator: i } });
    });
    for (const bar of bars) items.push({ value: [bar.start, bar.end, this.rowAt.get(bar.row)], bar });
    return items;
  }

  colorOfBar(bar) {
    const use = this.operators[bar.operator];
    return (use && this.kinds.colors.get(use.op)) ?? (bar.row < 0 || use ? this.theme.other : colorOf(this.theme, this.page.engines[bar.row]));
  }

  renderBar(params, api) {
    const { bar } = this.current[params.dataIndex];
    const [x0, y] = api.coord([api.value(0), api.value(2)]);
    const [x1] = api.coord([api.value(1), api.value(2)]);
    const area = params.coordSys;
    const left = Math.max(area.x, x0);
    const width = Math.min(area.x + area.width, x1) - left;
    if (width <= 0 && (x0 < area.x || x0 > area.x + area.width)) return null;
    const height = bar.row < 0 ? ROW - 5 : ROW - 8;
    const shown = Math.max(1, width > 4 ? width - 0.8 : width);
    const item = {
      type: 'rect',
      shape: { x: left, y: y - height / 2, width: shown, height, r: width > 6 ? 2 : 0 },
      style: { fill: this.colorOfBar(bar), opacity: bar.count > 1 ? 0.35 + 0.6 * Math.min(1, bar.busy / (bar.end - bar.start)) : 0.95 },
      emphasis: { style: { stroke: this.theme.ink, lineWidth: 1.5 } },
    };
    const label = this.label(bar);
    if (width > 40 && label) {
      item.textContent = { style: { text: label, fill: this.theme['on-bar'], fontSize: 11, fontFamily: this.theme.font, overflow: 'truncate', width: width - 10 } };
      item.textConfig = { position: 'insideLeft', distance: 5 };
    }
    return item;
  }

  label(bar) {
    if (bar.row < 0) return this.operators[bar.operator].name;
    if (bar.event < 0) return '';
    return this.instruction(bar.event);
  }

  instruction(event) {
    const index = this.page.timeline.instruction[event];
    return index === MERGED ? 'several instructions' : this.page.instructions[index] ?? 'instruction';
  }

  describe(bar) {
    const use = this.operators[bar.operator];
    const length = human((bar.end - bar.start) * 1e-12, 's');
    const times = [['Duration', length], ['Start', axisTime(bar.start, 1000)]];
    if (bar.row < 0) {
      return tip(use.name, use.op, [...times, ['Energy', human(use.energy_j, 'J')], ['Bound by', `${use.bound}, ${percent(use.bound_share)} busy`], ['Path', use.path]]);
    }
    const engine = this.page.engines[bar.row];
    const owner = use ? `${use.name} · ${use.op}` : bar.operator < 0 && bar.count > 1 ? 'several operators' : 'no operator';
    if (bar.event < 0) {
      return tip(`${grouped(bar.count)} instructions`, owner, [['Engine', engine], ['From first to last', length], ['Busy', percent(bar.busy / (bar.end - bar.start))], ['Start', axisTime(bar.start, 1000)]]);
    }
    return tip(this.instruction(bar.event), owner, [['Engine', engine], ...times, ...this.wait(bar.event)]);
  }

  // What an instruction waited for, and the instruction that held it back.
  wait(event) {
    const { hold, cause } = this.page.timeline;
    if (hold[event] === 0) return [];
    const line = this.operators[cause[2 * event]]?.name;
    const instruction = this.page.instructions[cause[2 * event + 1]];
    return [['Waited for', this.page.holds[hold[event]]], ...(instruction ? [['Of', line ? `${instruction}, ${line}` : instruction]] : [])];
  }

  setWindow(from, to) {
    const span = Math.min(this.page.spanPs, Math.max(LEAST_SPAN, to - from));
    const start = Math.min(Math.max(0, from), this.page.spanPs - span);
    this.window = [start, start + span];
    this.chart.dispatchAction({ type: 'dataZoom', batch: [0, 1].map((dataZoomIndex) => ({ dataZoomIndex, startValue: start, endValue: start + span })) });
    this.refresh();
  }

  zoomTo(start, end, margin) {
    const pad = (end - start) * margin;
    this.setWindow(start - pad, end + pad);
  }

  schedule() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      const { startValue, endValue } = this.chart.getOption().dataZoom[0];
      this.window = [startValue, endValue];
      this.refresh();
    });
  }

  refresh() {
    this.current = this.bars();
    // Emptied first: ECharts would reuse the bars' elements, labels included.
    this.chart.setOption({ series: [{ data: [] }] });
    this.chart.setOption({ series: [{ data: this.current }] });
    const [from, to] = this.window;
    this.shown.textContent = `${human((to - from) * 1e-12, 's')} shown; ${this.exact ? 'every bar is one instruction' : 'narrow bars stand for several instructions'}`;
    this.onWindow(from, to);
  }

  resize() {
    this.chart.resize();
    this.refresh();
  }
}
