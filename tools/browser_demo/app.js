// The page: a picture or the camera, and the boxes drawn on it.

import { Detector } from './detector.js';

// Told apart with any common colour vision (Okabe and Ito), one a class.
const COLOURS = ['#ffb000', '#56b4e9', '#009e73', '#f0e442', '#cc79a7'];
const at = (id) => document.getElementById(id);
const canvas = at('picture');
const pen = canvas.getContext('2d', { willReadFrequently: true });

let detector;
let names = {};
let camera = null; // the MediaStream, while it runs
let shown = null; // { image, found } of what stands in the canvas
let turn = Promise.resolve(); // ends with the last picture asked for: the model takes one at a time

function say(text) {
  at('status').textContent = text;
}

function least() {
  return Number(at('threshold').value);
}

/** Put a picture of the given size into the canvas, detect, and draw, once the one before is done. */
function look(picture, width, height) {
  const looked = turn.then(() => lookNow(picture, width, height));
  turn = looked.catch(() => {});
  return looked;
}

async function lookNow(picture, width, height) {
  canvas.width = width;
  canvas.height = height;
  pen.drawImage(picture, 0, 0);
  const image = pen.getImageData(0, 0, width, height);
  const started = performance.now();
  const found = await detector.detect(image);
  const milliseconds = performance.now() - started;
  shown = { image, found };
  draw();
  return milliseconds;
}

function draw() {
  const { image, found } = shown;
  pen.putImageData(image, 0, 0);
  const size = Math.max(12, Math.round(canvas.height / 36));
  pen.font = `${size}px system-ui, sans-serif`;
  pen.lineWidth = Math.max(2, canvas.height / 240);
  pen.textBaseline = 'top';
  const kept = found.filter((one) => one.score >= least());
  for (const { id, score, box: [xmin, ymin, xmax, ymax] } of kept) {
    const text = `${names[id] ?? id} ${Math.round(score * 100)}%`;
    pen.strokeStyle = pen.fillStyle = COLOURS[(id - 1) % COLOURS.length];
    pen.strokeRect(xmin, ymin, xmax - xmin, ymax - ymin);
    const top = ymin >= size + 6 ? ymin - size - 6 : ymin;
    pen.fillRect(xmin, top, pen.measureText(text).width + 8, size + 6);
    pen.fillStyle = '#000';
    pen.fillText(text, xmin + 4, top + 3);
  }
  at('found').replaceChildren(...kept.map(({ id, score, box }) => {
    const item = document.createElement('li');
    const [xmin, ymin, xmax, ymax] = box.map(Math.round);
    item.textContent = `${names[id] ?? id} ${score.toFixed(2)}, x ${xmin}-${xmax}, y ${ymin}-${ymax}`;
    item.dataset.detection = JSON.stringify({ id, score, box });
    return item;
  }));
}

async function open(blob, name) {
  stopCamera();
  try {
    const picture = await createImageBitmap(blob, { colorSpaceConversion: 'none' });
    say(`detecting in ${name} ...`);
    const milliseconds = await look(picture, picture.width, picture.height);
    say(`${name}: ${at('found').children.length} found in ${milliseconds.toFixed(0)} ms`);
  } catch (error) {
    say(`${name} cannot be read as a picture: ${error.message}`);
  }
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  at('camera').textContent = 'Start the camera';
}

async function startCamera() {
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
  } catch (error) {
    say(`the camera cannot be used: ${error.message}`);
    return;
  }
  at('camera').textContent = 'Stop the camera';
  const video = document.createElement('video');
  video.srcObject = camera;
  video.muted = true;
  await video.play();
  while (camera) {
    const milliseconds = await look(video, video.videoWidth, video.videoHeight);
    say(`camera: ${at('found').children.length} found in ${milliseconds.toFixed(0)} ms`);
    await new Promise(requestAnimationFrame);
  }
}

at('file').addEventListener('change', ({ target }) => {
  const [file] = target.files;
  if (file) open(file, file.name);
  target.value = '';
});
at('camera').addEventListener('click', () => (camera ? stopCamera() : startCamera()));
at('threshold').addEventListener('input', () => {
  at('least').textContent = least().toFixed(2);
  if (shown) draw();
});

try {
  const settings = await (await fetch('settings.json')).json();
  names = settings.names;
  detector = await Detector.open('model.onnx');
  say('ready: open a picture, or start the camera');
  if (settings.picture) open(await (await fetch('picture')).blob(), settings.picture);
} catch (error) {
  say(`the model cannot be loaded: ${error.message}`);
}
