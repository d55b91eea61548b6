// SPDX-License-Identifier: Apache-2.0
// Bytes in use of SBUF, PSUM and HBM over time, with the capacity.
import { axisTime, human, humanBytes, percent, tip } from './format.js';
import { axis, base } from './theme.js';

// A round number of bytes at or above `bytes`, a multiple of a power of two.
function roundUp(bytes) {
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, bytes))) - 2);
  return Math.ceil(bytes / unit) * unit;
}

export function drawOccupancy(chart, name, data, spanPs, theme) {
  const style = axis(theme);
  const points = Array.from(data.time, (time, i) => [time, data.bytes[i]]);
  if (points.length > 0 && points[points.length - 1][0] < spanPs) points.push([spanPs, points[points.length - 1][1]]);
  const peak = points.reduce((most, point) => Math.max(most, point[1]), 0);
  // The capacity belongs in the picture unless the use would vanish at its foot.
  const near = data.capacity > 0 && peak > data.capacity / 25;
  const top = Math.max(1, roundUp(near ? data.capacity * 1.06 : peak * 1.15));
  const window = { from: 0, to: spanPs };
  const title = `${name.toUpperCase()}  {dim|${humanBytes(peak)} at most${data.capacity > 0 ? ` of ${humanBytes(data.capacity)}` : ''}}`;
  chart.setOption({
    ...base(theme),
    title: { text: title, left: 0, top: 0, textStyle: { fontSize: 13, fontWeight: 600, color: theme.ink, rich: { dim: { color: theme.dim, fontSize: 12 } } } },
    grid: { left: 64, right: 14, top: 34, bottom: 26 },
    tooltip: {
      ...base(theme).tooltip, trigger: 'axis',
      formatter: ([point]) => tip(humanBytes(point.value[1]), data.capacity > 0 ? `${percent(point.value[1] / data.capacity)} of ${humanBytes(data.capacity)}` : '', [['From', human(point.value[0] * 1e-12, 's')]]),
    },
    dataZoom: [{ type: 'inside', disabled: true, filterMode: 'none', startValue: 0, endValue: spanPs }],
    xAxis: { type: 'value', min: 0, max: spanPs, ...style, splitLine: { show: false }, splitNumber: 3,
      axisLabel: { ...style.axisLabel, hideOverlap: true, formatter: (ps) => axisTime(ps, (window.to - window.from) / 20) } },
    yAxis: { type: 'value', min: 0, max: top, interval: top / 4, ...style, axisLabel: { ...style.axisLabel, formatter: humanBytes } },
    series: [{
      type: 'line', step: 'end', symbol: 'none', data: points, lineStyle: { width: 1.5, color: theme[name] },
      itemStyle: { color: theme[name] }, areaStyle: { color: theme[name], opacity: 0.22 },
      markLine: near ? { silent: true, symbol: 'none', label: { show: false }, lineStyle: { type: 'dashed', color: theme.hbm, width: 1.2 }, data: [{ yAxis: data.capacity }] } : undefined,
    }],
  }, true);
  return (from, to) => {
    window.from = from;
    window.to = to;
    chart.dispatchAction({ type: 'dataZoom', startValue: from, endValue: to });
  };
}
