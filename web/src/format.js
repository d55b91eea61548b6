// SPDX-License-Identifier: Apache-2.0
// Figures as people read them, the same way as thorong/report/units.cc.

const PREFIXES = ['f', 'p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P'];
const UNITY = 5;

function threeDigits(value) {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 99.95) return value.toFixed(0);
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

export function human(value, unit) {
  if (!Number.isFinite(value)) return 'n/a';
  if (value === 0) return `0 ${unit}`;
  let step = Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-12);
  step = Math.min(Math.max(step, -UNITY), PREFIXES.length - 1 - UNITY);
  if (unit === 's') step = Math.min(step, 0);
  let scaled = value / 1000 ** step;
  if (Math.abs(scaled) >= 999.5 && step + UNITY + 1 < PREFIXES.length && !(unit === 's' && step === 0)) {
    scaled /= 1000;
    step += 1;
  }
  return `${threeDigits(scaled)} ${PREFIXES[step + UNITY]}${unit}`;
}

export function humanBytes(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1023.5 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : threeDigits(value)} ${units[unit]}`;
}

export const percent = (share) => {
  if (!Number.isFinite(share)) return 'n/a';
  const value = share * 100;
  if (value !== 0 && Math.abs(value) < 0.05) return '<0.1 %';
  return `${value.toFixed(Math.abs(value) < 9.95 ? 1 : 0)} %`;
};

export const grouped = (value) => value.toLocaleString('en-US');

export function plain(value) {
  if (!Number.isFinite(value)) return 'n/a';
  return Math.abs(value) >= 99.95 ? grouped(Math.round(value)) : threeDigits(value);
}

// A time on an axis: as many digits as the step between ticks needs.
export function axisTime(ps, stepPs) {
  if (ps === 0) return '0';
  const units = [[1e12, 's'], [1e9, 'ms'], [1e6, 'µs'], [1e3, 'ns'], [1, 'ps']];
  const [scale, unit] = units.find(([size]) => Math.abs(ps) >= size) ?? units[4];
  const digits = Math.max(0, Math.ceil(-Math.log10(stepPs / scale) - 1e-9));
  return `${(ps / scale).toFixed(Math.min(digits, 9))} ${unit}`;
}

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

// Names come from models: everything put into HTML passes here.
export const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c]);

// A tooltip: a bold first line, then pairs.
export function tip(title, subtitle, pairs) {
  const rows = pairs.map(([key, value]) => `<dt>${escaped(key)}</dt><dd>${escaped(value)}</dd>`).join('');
  const second = subtitle ? `<br>${escaped(subtitle)}` : '';
  return `<div class="tip"><b>${escaped(title)}</b>${second}<dl>${rows}</dl></div>`;
}
