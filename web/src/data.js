// SPDX-License-Identifier: Apache-2.0
// Reads what thorong/report/html_data.cc wrote: columns of variable-length integers, zlib, base64.

async function unpack(text) {
  if (!text) return new Uint8Array(0);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Numbers up to 2^53, so no bit operations beyond one byte.
export function readColumn(bytes, count, signed) {
  const values = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    let value = 0;
    let scale = 1;
    let byte;
    do {
      byte = bytes[at];
      at += 1;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    if (signed) value = value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    values[i] = value;
  }
  return values;
}

// Events of one engine after the other, sorted by start within an engine; rows[e] is [first, end) of engine e.
async function readTimeline(json) {
  const count = json.rows.reduce((sum, n) => sum + n, 0);
  const [starts, durations, operators, instructions, holds, causes] = await Promise.all(
    [json.start, json.duration, json.operator, json.instruction, json.hold, json.cause].map(unpack));
  const start = readColumn(starts, count, true);
  const end = readColumn(durations, count, false);
  const operator = Int32Array.from(readColumn(operators, count, true));
  const instruction = Uint16Array.from(readColumn(instructions, count, false));
  const hold = Uint8Array.from(readColumn(holds, count, false));
  const cause = Int32Array.from(readColumn(causes, 2 * count, false)); // of each: operator, instruction; -1 where there is none
  for (let i = 0; i < 2 * count; i += 1) cause[i] -= 1;
  const rows = [];
  let at = 0;
  for (const size of json.rows) {
    rows.push([at, at + size]);
    let clock = 0;
    for (let i = at; i < at + size; i += 1) {
      start[i] += clock;
      end[i] += start[i];
      clock = end[i];
    }
    at += size;
  }
  for (let i = 1; i < count; i += 1) operator[i] += operator[i - 1];
  return { start, end, operator, instruction, hold, cause, rows, count, total: json.total };
}

async function readOccupancy(json) {
  const [times, sizes] = await Promise.all([json.time, json.bytes].map(unpack));
  const time = readColumn(times, json.count, true);
  const bytes = readColumn(sizes, json.count, true);
  for (let i = 1; i < json.count; i += 1) {
    time[i] += time[i - 1];
    bytes[i] += bytes[i - 1];
  }
  return { time, bytes, capacity: json.capacity };
}

// Tensors of a memory, in order of start; `name` and `operator` are numbers, -1 for none.
async function readMap(json) {
  const columns = await Promise.all([json.start, json.duration, json.address, json.size, json.name, json.operator, json.engine].map(unpack));
  const [start, address, name, operator] = [0, 2, 4, 5].map((i) => readColumn(columns[i], json.count, true));
  const [end, size, engine] = [1, 3, 6].map((i) => readColumn(columns[i], json.count, false));
  name[0] -= 1; // written as differences from an unnamed tensor of no operator
  operator[0] -= 1;
  for (let i = 0; i < json.count; i += 1) {
    for (const column of i > 0 ? [start, address, name, operator] : []) column[i] += column[i - 1];
    end[i] += start[i];
  }
  return { start, end, address, size, name, operator, engine, count: json.count, total: json.total, top: json.top, bank: json.bank,
    peakPs: json.peak_ps, peakUsed: json.peak_used };
}

const parse = (id) => JSON.parse(document.getElementById(id).textContent);

export async function readPage() {
  const result = parse('thorong-result');
  const charts = parse('thorong-charts');
  const [timeline, sbuf, psum, hbm, sbufMap, psumMap] = await Promise.all([
    readTimeline(charts.timeline), readOccupancy(charts.sbuf), readOccupancy(charts.psum), readOccupancy(charts.hbm),
    readMap(charts.maps.sbuf), readMap(charts.maps.psum)]);
  return {
    result, timeline, memory: { sbuf, psum, hbm }, maps: { sbuf: sbufMap, psum: psumMap }, spanPs: charts.span_ps,
    engines: charts.engines, instructions: charts.instructions, holds: charts.holds, tileNames: charts.tile_names,
  };
}
