// SPDX-License-Identifier: Apache-2.0
// Brings the report page to life: replaces the still pictures by charts, then marks the page as ready.
import { CustomChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  DataZoomInsideComponent, DataZoomSliderComponent, GridComponent, LegendComponent, MarkLineComponent, MarkPointComponent,
  TitleComponent, TooltipComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

import { readPage } from './data.js';
import { MemoryMap } from './memory_map.js';
import { drawOccupancy } from './occupancy.js';
import { OperatorTable } from './operator_table.js';
import { drawRoofline } from './roofline.js';
import { readTheme } from './theme.js';
import { Timeline } from './timeline.js';

echarts.use([CustomChart, LineChart, ScatterChart, DataZoomInsideComponent, DataZoomSliderComponent, GridComponent,
  LegendComponent, MarkLineComponent, MarkPointComponent, TitleComponent, TooltipComponent, CanvasRenderer]);

const place = (name) => document.querySelector(`[data-chart="${name}"]`);

function makeCharts(page) {
  const followers = [];
  const timeline = new Timeline(echarts, place('timeline'), page, (from, to) => followers.forEach((follow) => follow(from, to)));
  const roofline = echarts.init(place('roofline'));
  const memories = ['sbuf', 'psum', 'hbm'].map((name) => ({ name, chart: echarts.init(place(name)) }));
  const maps = ['sbuf', 'psum'].filter((name) => place(`${name}-map`))
    .map((name) => new MemoryMap(place(`${name}-map`), name, page.maps[name], page));
  const note = document.createElement('p');
  note.className = 'remark';
  place('roofline').after(note);

  const draw = () => {
    const theme = readTheme();
    const { peak_flops_per_s: peak, hbm_bytes_per_s: bandwidth } = page.result.roofline;
    place('roofline').hidden = !(peak > 0 && bandwidth > 0);
    note.textContent = drawRoofline(roofline, page, theme);
    followers.length = 0;
    for (const { name, chart } of memories) followers.push(drawOccupancy(chart, name, page.memory[name], page.spanPs, theme));
    for (const map of maps) {
      map.draw(theme);
      followers.push((from, to) => map.follow(from, to));
    }
    timeline.draw(theme);
  };
  const resize = () => {
    roofline.resize();
    for (const { chart } of memories) chart.resize();
    for (const map of maps) map.paint();
    timeline.resize();
  };
  return { timeline, draw, resize };
}

function start(page) {
  const charts = makeCharts(page);
  charts.draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', charts.draw);
  let pending = 0;
  addEventListener('resize', () => {
    clearTimeout(pending);
    pending = setTimeout(charts.resize, 80);
  });
  for (const event of ['beforeprint', 'afterprint']) {
    addEventListener(event, () => { charts.draw(); charts.resize(); });
  }
  new OperatorTable(document.querySelector('[data-table="operators"]'), page.result.operators, (use) => {
    document.getElementById('timeline').scrollIntoView({ behavior: 'smooth' });
    charts.timeline.zoomTo(use.start_s * 1e12, (use.start_s + use.time_s) * 1e12, 0.05);
  });
}

// A browser too old for the charts keeps the still page and is told.
function fail(error) {
  const note = document.createElement('p');
  note.className = 'notice';
  note.textContent = `The charts could not be drawn (${error.message}). The tables below are complete; a newer browser will draw the charts.`;
  document.querySelector('main').prepend(note);
  document.querySelectorAll('section.interactive').forEach((section) => { section.hidden = true; });
  document.documentElement.setAttribute('data-thorong-error', error.message);
}

readPage().then(start).catch(fail).finally(() => document.documentElement.setAttribute('data-thorong-ready', 'true'));
