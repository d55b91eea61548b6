// SPDX-License-Identifier: Apache-2.0
// The table of all operators: sorts by any column, filters by words, shows more on request.
import { escaped, grouped, human, percent, plain } from './format.js';

const PAGE = 50;
const KNOWN = new Set(['tensor', 'vector', 'scalar', 'gpsimd', 'dma', 'hbm', 'dependency', 'host']);

const over = (use) => (use.roofline_s > 0 ? use.time_s / use.roofline_s : NaN);

const COLUMNS = [
  { title: 'Name', key: (u) => u.name, html: (u) => escaped(u.name) },
  { title: 'Operator', key: (u) => u.op, html: (u) => escaped(u.op) },
  { title: 'Start', number: true, key: (u) => u.start_s, html: (u) => human(u.start_s, 's') },
  { title: 'Time', number: true, key: (u) => u.time_s, html: (u) => human(u.time_s, 's') },
  { title: 'Energy', number: true, key: (u) => u.energy_j, html: (u) => human(u.energy_j, 'J') },
  { title: 'Engine', key: (u) => u.engine, html: (u) => escaped(u.engine) },
  { title: 'Path', key: (u) => u.path, html: (u) => escaped(u.path) },
  { title: 'Bound by', key: (u) => u.bound,
    html: (u) => `<i class="dot c-${KNOWN.has(u.bound) ? u.bound : 'other'}"></i>${escaped(u.bound)}` },
  { title: 'Busy', hint: 'How much of the time the bounding resource is busy', number: true, key: (u) => u.bound_share, html: (u) => percent(u.bound_share) },
  { title: 'Roofline', hint: 'The least time that the peak and HBM allow', number: true, key: (u) => u.roofline_s, html: (u) => human(u.roofline_s, 's') },
  { title: 'Times roofline', hint: 'The time over that least time', number: true, key: over, html: (u) => (Number.isFinite(over(u)) ? plain(over(u)) : '–') },
];

export class OperatorTable {
  constructor(element, operators, onPick) {
    this.operators = operators;
    this.onPick = onPick;
    this.column = 3;
    this.ascending = false;
    this.limit = PAGE;
    element.innerHTML = '<div class="tools"><input type="search" placeholder="Filter by name, operator, engine, bound …" aria-label="Filter operators"><span></span></div><div class="scroll"><table><thead></thead><tbody></tbody></table></div><div class="tools"><button type="button">Show more</button></div>';
    this.filter = element.querySelector('input');
    this.count = element.querySelector('span');
    this.head = element.querySelector('thead');
    this.body = element.querySelector('tbody');
    this.more = element.querySelector('button');
    this.filter.addEventListener('input', () => { this.limit = PAGE; this.draw(); });
    this.more.addEventListener('click', () => { this.limit += 4 * PAGE; this.draw(); });
    this.head.addEventListener('click', (event) => this.sortBy(event.target.closest('button')));
    this.body.addEventListener('click', (event) => this.pick(event.target.closest('td:first-child')));
    this.draw();
  }

  sortBy(button) {
    if (!button) return;
    const column = Number(button.dataset.column);
    this.ascending = column === this.column ? !this.ascending : !COLUMNS[column].number;
    this.column = column;
    this.draw();
    this.head.querySelectorAll('button')[column].focus();
  }

  pick(cell) {
    if (cell) this.onPick(this.operators[Number(cell.parentNode.dataset.operator)]);
  }

  matching() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [];
    this.operators.forEach((use, index) => {
      const text = `${use.name} ${use.op} ${use.engine} ${use.path} ${use.bound}`.toLowerCase();
      if (words.every((word) => text.includes(word))) rows.push({ use, index, key: COLUMNS[this.column].key(use) });
    });
    const sign = this.ascending ? 1 : -1;
    const last = (key) => (typeof key === 'number' && !Number.isFinite(key) ? 1 : 0);
    return rows.sort((a, b) => last(a.key) - last(b.key) || sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || a.index - b.index);
  }

  draw() {
    const rows = this.matching();
    this.head.innerHTML = `<tr>${COLUMNS.map((column, i) => {
      const sort = i === this.column ? ` aria-sort="${this.ascending ? 'ascending' : 'descending'}"` : '';
      return `<th class="${column.number ? 'n' : ''}" title="${column.hint ?? ''}"${sort}><button data-column="${i}">${column.title}</button></th>`;
    }).join('')}</tr>`;
    this.body.innerHTML = rows.slice(0, this.limit).map(({ use, index }) => `<tr data-operator="${index}">${COLUMNS.map((column, i) => (
      `<td class="${column.number ? 'n' : ''}"${i < 2 ? ` title="${column.html(use)}"` : ''}>${column.html(use)}</td>`)).join('')}</tr>`).join('');
    const time = rows.reduce((sum, { use }) => sum + use.time_s, 0);
    this.count.textContent = `${grouped(rows.length)} of ${grouped(this.operators.length)} operators, ${human(time, 's')}. Pick a name to see it in the timeline.`;
    this.more.parentNode.hidden = rows.length <= this.limit;
    this.more.textContent = `Show more of ${grouped(rows.length)}`;
  }
}
