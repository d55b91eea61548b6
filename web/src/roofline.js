// SPDX-License-Identifier: Apache-2.0
// The roofline of one core, log-log: operations a second over operations a byte of HBM traffic, a point an operator.
import { human, percent, plain, tip } from './format.js';
import { axis, base, colorOf } from './theme.js';

const decade = (value, round) => 10 ** round(Math.log10(value));

function points(operators, device) {
  const shown = [];
  for (const use of operators) {
    if (!(use.flops > 0 && use.hbm_bytes > 0 && use.time_s > 0)) continue;
    shown.push({ use, value: [use.flops / use.hbm_bytes, use.flops / use.time_s], share: use.time_s / device });
  }
  return shown;
}

// Decades that hold all points, the ridge and some of both ceilings.
function extent(shown, ridge, peak) {
  const xs = shown.map((p) => p.value[0]);
  const ys = shown.map((p) => p.value[1]);
  return {
    x: [decade(Math.min(ridge / 100, ...xs), Math.floor), decade(Math.max(ridge * 10, ...xs), Math.ceil)],
    y: [decade(Math.min(peak / 1e4, ...ys), Math.floor), decade(Math.max(peak * 1.5, ...ys), Math.ceil)],
  };
}

function describe({ use, value, share }) {
  return tip(use.name, use.op, [
    ['Time', `${human(use.time_s, 's')} (${percent(share)} of the device time)`],
    ['Least by roofline', use.roofline_s > 0 ? `${human(use.roofline_s, 's')}, ${plain(use.time_s / use.roofline_s)} times as long here` : 'n/a'],
    ['Rate', human(value[1], 'FLOP/s')],
    ['Intensity', `${plain(value[0])} FLOP/byte`],
    ['Work', `${human(use.flops, 'FLOP')}, ${human(use.hbm_bytes, 'B')} of HBM`],
    ['Bound by', `${use.bound}, ${percent(use.bound_share)} busy`],
  ]);
}

function ceilings(box, peak, bandwidth, format, theme) {
  const ridge = peak / bandwidth;
  const line = { color: theme.dim, width: 1.5 };
  // The labels stand on their lines: the slanted one a third of the way up.
  const left = Math.max(box.x[0], box.y[0] / bandwidth);
  const middle = left * (ridge / left) ** 0.45;
  return {
    type: 'line', silent: true, symbol: 'none', lineStyle: line, z: 1,
    data: [[left, left * bandwidth], [ridge, peak], [box.x[1], peak]],
    markPoint: {
      silent: true, symbolSize: 0.1, itemStyle: { color: 'transparent' },
      data: [
        { coord: [box.x[1], peak], label: { position: [-8, -8], align: 'right', verticalAlign: 'bottom', color: theme.dim, formatter: `${human(peak, 'FLOP/s')}${format ? ` ${format}` : ''}` } },
        { coord: [middle, middle * bandwidth], label: { position: [-8, -6], align: 'right', verticalAlign: 'bottom', color: theme.dim, formatter: `HBM ${human(bandwidth, 'B/s')}` } },
      ],
    },
  };
}

// A kernel's lines either compute or move bytes, so all of it is a point too.
function wholeKernel({ model, product_flops: flops, memory, device_s: time, energy_j: energy, cores_used: cores, roofline }) {
  if (model.format !== 'nki' || !(flops > 0 && memory.hbm_traffic_bytes > 0)) return [];
  const bytes = memory.hbm_traffic_bytes / cores; // ceilings are one core's
  const compute = flops / cores / roofline.peak_flops_per_s;
  const move = bytes / roofline.hbm_bytes_per_s;
  const least = Math.max(compute, move);
  return [{ name: model.path, op: 'the whole kernel', time_s: time, energy_j: energy, flops: flops / cores, hbm_bytes: bytes, roofline_s: least,
    bound: compute > move ? 'tensor' : 'hbm', bound_share: least / time }];
}

export function drawRoofline(chart, page, theme) {
  const { operators: lines, roofline, device_s: device } = page.result;
  const operators = [...lines, ...wholeKernel(page.result)];
  const { peak_flops_per_s: peak, hbm_bytes_per_s: bandwidth } = roofline;
  const shown = points(operators, device || 1);
  if (!(peak > 0 && bandwidth > 0)) return 'The chip file states no peak or no HBM bandwidth.';
  const box = extent(shown, peak / bandwidth, peak);
  const style = axis(theme);
  const log = (name, range, gap) => ({
    type: 'log', name, min: range[0], max: range[1], nameLocation: 'middle', nameGap: gap, ...style,
    axisLabel: { ...style.axisLabel, formatter: (v) => (v >= 1e3 ? human(v, '').replace(/\.0+(?= )/, '') : String(Number(v.toPrecision(3)))) },
  });
  const bounds = [...new Set(shown.map((p) => p.use.bound))];
  chart.setOption({
    ...base(theme),
    grid: { left: 66, right: 20, top: 44, bottom: 50 },
    legend: { top: 0, left: 0, data: bounds, textStyle: { color: theme.dim }, itemWidth: 10, itemHeight: 10, icon: 'circle' },
    tooltip: { ...base(theme).tooltip, formatter: ({ data }) => describe(data) },
    xAxis: log('FLOP per byte of HBM traffic', box.x, 30),
    yAxis: log('FLOP/s', box.y, 50),
    series: [
      ceilings(box, peak, bandwidth, roofline.peak_format, theme),
      ...bounds.map((bound) => ({
        type: 'scatter', name: bound, z: 2,
        itemStyle: { color: colorOf(theme, bound), opacity: 0.75, borderColor: theme.paper, borderWidth: 1 },
        emphasis: { itemStyle: { opacity: 1, borderColor: theme.ink } },
        symbolSize: (_, { data }) => 6 + 44 * Math.sqrt(Math.min(1, data.share)),
        data: shown.filter((p) => p.use.bound === bound),
      })),
    ],
  }, true);
  const hidden = operators.length - shown.length;
  if (hidden === 0) return '';
  const what = page.result.model.format === 'nki' ? 'lines' : 'operators';
  return `${hidden} of ${lines.length} ${what} do no matrix product or move no bytes through HBM and have no place here.`;
}
