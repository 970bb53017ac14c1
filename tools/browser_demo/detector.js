// The exported model in onnxruntime-web. It resizes, and suppresses what overlaps, by itself.

import * as ort from './ort/ort.wasm.min.mjs';
import { toBoxes, toRgb } from './boxes.js';

ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href;
// Threads need the headers that tools/browser_demo.sh sends.
ort.env.wasm.numThreads = globalThis.crossOriginIsolated
  ? Math.min(4, navigator.hardwareConcurrency) : 1;

const OUTPUTS = ['detection_boxes', 'detection_scores', 'detection_classes', 'num_detections'];

export class Detector {
  #session;

  /** Load the model at an address of this server. */
  static async open(address) {
    const detector = new Detector();
    detector.#session = await ort.InferenceSession.create(address, { executionProviders: ['wasm'] });
    const missing = OUTPUTS.filter((name) => !detector.#session.outputNames.includes(name));
    if (missing.length) throw new Error(`it has no output ${missing.join(', ')}`);
    return detector;
  }

  /** The detections in an ImageData, as `toBoxes` gives them. */
  async detect(image) {
    const shape = [1, image.height, image.width, 3];
    const pixels = new ort.Tensor('uint8', toRgb(image.data), shape);
    const results = await this.#session.run({ [this.#session.inputNames[0]]: pixels }, OUTPUTS);
    const outputs = Object.fromEntries(OUTPUTS.map((name) => [name, results[name].data]));
    return toBoxes(outputs, image.width, image.height);
  }
}
