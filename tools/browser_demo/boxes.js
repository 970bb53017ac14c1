// What the network says -> boxes in pixels of the picture.

/**
 * The detections of one picture.
 *
 * @param {object} outputs the exported model's, flat, by name: detection_boxes (K x 4: ymin, xmin,
 *   ymax, xmax, as shares of the size), detection_scores (K), detection_classes (K),
 *   num_detections (1)
 * @param {number} width of the picture in pixels
 * @param {number} height of the picture in pixels
 * @returns {{id: number, score: number, box: number[]}[]} box is xmin, ymin, xmax, ymax in pixels,
 *   id the label map's; best score first
 */
export function toBoxes(outputs, width, height) {
  const found = [];
  const count = Number(outputs.num_detections[0]);
  for (let place = 0; place < count; place += 1) {
    const [ymin, xmin, ymax, xmax] = outputs.detection_boxes.slice(4 * place, 4 * place + 4);
    found.push({
      id: Math.round(Number(outputs.detection_classes[place])),
      score: outputs.detection_scores[place],
      box: [xmin * width, ymin * height, xmax * width, ymax * height],
    });
  }
  return found;
}

/**
 * A canvas' pixels without the opacity, as the network takes them.
 *
 * @param {Uint8ClampedArray} rgba height x width x 4
 * @returns {Uint8Array} height x width x 3
 */
export function toRgb(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}
