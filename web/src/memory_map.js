// SPDX-License-Identifier: Apache-2.0
// Which tensor lies where: addresses of a partition against time, one rectangle a tensor, on canvas. Drawn at once, however
// many there are: a tensor too short to see is a line of its place.
import { axisTime, human, humanBytes, tip } from './format.js';
import { colorOf } from './theme.js';

const LEFT = 64;
const RIGHT = 18;
const TOP = 10;
const BOTTOM = 24;
const HEIGHT = 280;
const LEAST_WIDTH = 0.75; // pixels

export class MemoryMap {
  constructor(element, name, data, page) {
    this.name = name;
    this.data = data;
    this.page = page;
    this.window = [0, page.spanPs];
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', `Which tensor lies where in ${name.toUpperCase()} over time`);
    this.canvas.style.cssText = `display:block;width:100%;height:${HEIGHT}px`;
    this.legend = document.createElement('p');
    this.legend.className = 'legend';
    this.tooltip = document.createElement('div');
    this.tooltip.className = 'maptip';
    this.tooltip.hidden = true;
    element.replaceChildren(this.legend, this.canvas, this.tooltip);
    this.canvas.addEventListener('pointermove', (event) => this.point(event));
    this.canvas.addEventListener('pointerleave', () => { this.tooltip.hidden = true; });
  }

  draw(theme) {
    this.theme = theme;
    const engines = [...new Set(this.data.engine)].sort((a, b) => a - b);
    const items = engines.map((engine) => {
      const label = document.createElement('span');
      const dot = document.createElement('i');
      dot.className = 'dot';
      dot.style.background = this.colorOfEngine(engine);
      label.append(dot, this.page.engines[engine] ?? 'other');
      return label;
    });
    this.legend.replaceChildren('first used by ', ...items.flatMap((item) => [item, ' ']));
    if (this.data.total > this.data.count) this.legend.append(`the ${this.data.count} largest of ${this.data.total} tensors`);
    this.paint();
  }

  follow(from, to) {
    this.window = [from, to];
    this.paint();
  }

  colorOfEngine(engine) {
    return colorOf(this.theme, this.page.engines[engine] ?? 'other');
  }

  paint() {
    if (!this.theme) return;
    const ratio = window.devicePixelRatio || 1;
    this.width = Math.max(200, this.canvas.clientWidth);
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(HEIGHT * ratio);
    const paper = this.canvas.getContext('2d');
    paper.scale(ratio, ratio);
    paper.font = `11px ${this.theme.font}`;
    this.paintTiles(paper);
    this.paintAxes(paper);
  }

  x(ps) {
    const [from, to] = this.window;
    return LEFT + ((ps - from) / (to - from)) * (this.width - LEFT - RIGHT);
  }

  y(byte) {
    return HEIGHT - BOTTOM - (byte / this.data.top) * (HEIGHT - TOP - BOTTOM);
  }

  paintTiles(paper) {
    const { start, end, address, size, engine } = this.data;
    const right = this.width - RIGHT;
    paper.save();
    paper.beginPath();
    paper.rect(LEFT, TOP, right - LEFT, HEIGHT - TOP - BOTTOM);
    paper.clip();
    let color = -1;
    for (let i = 0; i < this.data.count && start[i] < this.window[1]; i += 1) {
      if (end[i] <= this.window[0]) continue;
      const x0 = Math.max(LEFT - 2, this.x(start[i]));
      const x1 = Math.min(right + 2, this.x(end[i]));
      const y0 = this.y(address[i] + size[i]);
      const height = Math.max(LEAST_WIDTH, this.y(address[i]) - y0);
      const width = Math.max(LEAST_WIDTH, x1 - x0);
      if (engine[i] !== color) {
        color = engine[i];
        paper.fillStyle = this.colorOfEngine(color);
      }
      paper.globalAlpha = 0.8;
      paper.fillRect(x0, y0, width, height);
      if (width < 5 || height < 4) continue;
      paper.globalAlpha = 1;
      paper.strokeStyle = this.theme.paper;
      paper.lineWidth = 0.8;
      paper.strokeRect(x0 + 0.4, y0 + 0.4, width - 0.8, height - 0.8);
      if (width > 50 && height > 13) this.paintLabel(paper, i, Math.max(LEFT, x0), x1, y0, height);
    }
    paper.restore();
  }

  paintLabel(paper, i, left, right, top, height) {
    const label = this.label(i);
    const most = Math.floor((right - left - 8) / 6);
    if (most < 4 || !label) return;
    const fill = paper.fillStyle;
    paper.fillStyle = this.theme['on-bar'];
    paper.fillText(label.length > most ? `${label.slice(0, most - 1)}…` : label, left + 4, top + height / 2 + 4);
    paper.fillStyle = fill;
  }

  paintAxes(paper) {
    const right = this.width - RIGHT;
    const bank = this.data.bank;
    const step = bank > 0 ? bank : 2 ** Math.ceil(Math.log2(Math.max(1, this.data.top / 6)));
    paper.lineWidth = 1;
    paper.strokeStyle = this.theme.line;
    paper.fillStyle = this.theme.dim;
    paper.textAlign = 'right';
    for (let byte = 0; byte <= this.data.top; byte += step) {
      const y = Math.round(this.y(byte)) + 0.5;
      paper.setLineDash(bank > 0 && byte > 0 ? [4, 3] : []);
      paper.beginPath();
      paper.moveTo(LEFT, y);
      paper.lineTo(right, y);
      paper.stroke();
      if (bank > 0 && byte < this.data.top) paper.fillText(`bank ${byte / bank}`, LEFT - 8, (y + this.y(byte + bank)) / 2 + 4);
      else if (!bank) paper.fillText(humanBytes(byte), LEFT - 8, y + 4);
    }
    paper.setLineDash([]);
    this.paintTimes(paper, right);
  }

  paintTimes(paper, right) {
    const [from, to] = this.window;
    const ticks = Math.max(2, Math.min(7, Math.floor((right - LEFT) / 110)));
    for (let i = 0; i <= ticks; i += 1) {
      const ps = from + ((to - from) * i) / ticks;
      paper.textAlign = i === 0 ? 'left' : i === ticks ? 'right' : 'center';
      paper.fillText(axisTime(ps, (to - from) / 40), this.x(ps), HEIGHT - 8);
    }
    if (this.data.peakUsed > 0 && this.data.peakPs >= from && this.data.peakPs <= to) {
      const x = this.x(this.data.peakPs);
      paper.strokeStyle = this.theme.hbm;
      paper.setLineDash([2, 2]);
      paper.beginPath();
      paper.moveTo(x, TOP);
      paper.lineTo(x, HEIGHT - BOTTOM);
      paper.stroke();
      paper.setLineDash([]);
    }
  }

  label(i) {
    return this.page.tileNames[this.data.name[i]] ?? this.lineOf(i).split('/').pop();
  }

  lineOf(i) {
    return this.page.result.operators[this.data.operator[i]]?.name ?? '';
  }

  // The last drawn tensor under the pointer.
  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const { start, end, address, size, count } = this.data;
    let found = -1;
    for (let i = 0; i < count && start[i] < this.window[1]; i += 1) {
      const x0 = this.x(start[i]);
      if (px < x0 - 1 || px > Math.max(x0 + 1, this.x(end[i]))) continue;
      if (py >= this.y(address[i] + size[i]) - 0.5 && py <= this.y(address[i]) + 0.5) found = i;
    }
    this.tooltip.hidden = found < 0;
    if (found < 0) return;
    const range = `${humanBytes(address[found])} to ${humanBytes(address[found] + size[found])}`;
    const bank = this.data.bank;
    const last = bank > 0 ? Math.floor((address[found] + size[found] - 1) / bank) : 0;
    const first = bank > 0 ? Math.floor(address[found] / bank) : 0;
    this.tooltip.innerHTML = tip(this.label(found), this.lineOf(found), [
      ['Bytes of a partition', `${range} (${humanBytes(size[found])})`],
      ...(bank > 0 ? [['Banks', first === last ? String(first) : `${first} to ${last}`]] : []),
      ['From', axisTime(start[found], 1000)], ['To', axisTime(end[found], 1000)],
      ['For', human((end[found] - start[found]) * 1e-12, 's')],
    ]);
    const wide = this.tooltip.offsetWidth;
    this.tooltip.style.left = `${Math.max(0, Math.min(px + 12, this.width - wide))}px`;
    this.tooltip.style.top = `${py + this.canvas.offsetTop + 14}px`;
  }
}
