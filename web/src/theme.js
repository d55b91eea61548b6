// SPDX-License-Identifier: Apache-2.0
// The style sheet's colors for charts on canvas.

const NAMES = ['page', 'paper', 'ink', 'dim', 'line', 'soft', 'accent', 'on-bar', 'tensor', 'vector', 'scalar', 'gpsimd', 'dma',
  'hbm', 'sbuf', 'psum', 'instructions', 'static', 'host', 'dependency', 'other', 'rest', 'sync'];

export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const theme = {};
  for (const name of NAMES) theme[name] = style.getPropertyValue(`--${name}`).trim();
  theme.font = getComputedStyle(document.body).fontFamily;
  theme.series = [theme.tensor, theme.vector, theme.dma, theme.scalar, theme.hbm, theme.sbuf, theme.gpsimd,
    theme.instructions, theme.host, theme.psum];
  return theme;
}

export function colorOf(theme, name) {
  const key = name.startsWith('dma') ? 'dma' : name;
  return NAMES.indexOf(key) > NAMES.indexOf('on-bar') ? theme[key] : theme.other;
}

// What all charts share: text, tooltip box.
export function base(theme) {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: theme.font, color: theme.ink },
    tooltip: {
      confine: true,
      transitionDuration: 0,
      backgroundColor: theme.paper,
      borderColor: theme.line,
      textStyle: { color: theme.ink, fontFamily: theme.font },
      extraCssText: 'box-shadow: 0 4px 18px rgb(0 0 0 / .18); border-radius: 8px;',
    },
  };
}

export function axis(theme) {
  return {
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: { lineStyle: { color: theme.line } },
    axisLabel: { color: theme.dim, fontSize: 11 },
    splitLine: { lineStyle: { color: theme.line, opacity: 0.6 } },
    nameTextStyle: { color: theme.dim, fontSize: 11 },
  };
}
