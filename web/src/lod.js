// SPDX-License-Identifier: Apache-2.0
// Level of detail: of the events in a window of time, the bars worth drawing. Bars wide enough to see stay exact; runs of
// narrower ones become one bar of a few pixels that knows how busy it is.

// The first event of [first, end) that ends after `time`. Ends are almost sorted: bars of one engine rarely overlap.
function firstEndingAfter(ends, first, end, time) {
  let low = first;
  let high = end;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Bars {row, start, end, count, busy (time), operator (-1: several), event (index, -1: several)}.
export function visibleBars(timeline, from, to, pixels, cellPixels = 3) {
  const cell = ((to - from) / Math.max(1, pixels)) * cellPixels;
  const bars = [];
  timeline.rows.forEach(([first, end], row) => {
    let open = null;
    for (let i = firstEndingAfter(timeline.end, first, end, from); i < end && timeline.start[i] < to; i += 1) {
      const start = timeline.start[i];
      const stop = timeline.end[i];
      const operator = timeline.operator[i];
      const wide = stop - start >= cell;
      if (open && !wide && stop - open.start <= cell) {
        open.end = Math.max(open.end, stop);
        open.count += 1;
        open.busy += stop - start;
        open.event = -1;
        if (open.operator !== operator) open.operator = -1;
      } else {
        open = { row, start, end: stop, count: 1, busy: stop - start, operator, event: i };
        bars.push(open);
        if (wide) open = null;
      }
    }
  });
  return bars;
}

// Operators as bars of a few lanes: those that run at the same time stand below one another.
export function operatorLanes(operators, most = 4) {
  const order = operators.map((_, i) => i).sort((a, b) => operators[a].start_s - operators[b].start_s);
  const ends = [];
  const lane = new Array(operators.length).fill(0);
  for (const i of order) {
    const { start_s: start, time_s: time } = operators[i];
    let free = ends.findIndex((end) => end <= start + 1e-13);
    if (free < 0) free = ends.length < most ? ends.length : ends.indexOf(Math.min(...ends));
    ends[free] = Math.max(ends[free] ?? 0, start + time);
    lane[i] = free;
  }
  return { lane, count: Math.max(1, ends.length) };
}
