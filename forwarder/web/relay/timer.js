// The worker behind clock.js: one timer, which sends back the number it was set with.
let timer = 0;
self.onmessage = ({ data: [turn, ms] }) => {
  clearTimeout(timer);
  timer = setTimeout(() => self.postMessage(turn), ms);
};
