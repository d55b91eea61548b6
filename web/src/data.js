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
  const [starts, durations, operators, instructions] = await Promise.all(
    [json.start, json.duration, json.operator, json.instruction].map(unpack));
  const start = readColumn(starts, count, true);
  const end = readColumn(durations, count, false);
  const operator = Int32Array.from(readColumn(operators, count, true));
  const instruction = Uint16Array.from(readColumn(instructions, count, false));
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
  return { start, end, operator, instruction, rows, count, total: json.total };
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

const parse = (id) => JSON.parse(document.getElementById(id).textContent);

export async function readPage() {
  const result = parse('thorong-result');
  const charts = parse('thorong-charts');
  const [timeline, sbuf, psum, hbm] = await Promise.all([
    readTimeline(charts.timeline), readOccupancy(charts.sbuf), readOccupancy(charts.psum), readOccupancy(charts.hbm)]);
  return {
    result, timeline, memory: { sbuf, psum, hbm }, spanPs: charts.span_ps, engines: charts.engines,
    instructions: charts.instructions,
  };
}
