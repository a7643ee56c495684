/** Picture files in the browser: drawn for the eye, made smaller where they are too large to send. */

const SHOWN_PX = 640;
const SENT_PX = 2048;
const SENT_QUALITY = 0.92;

/**
 * Draw a picture file upright, for the eye.
 * @param {Blob} file
 * @returns {Promise<ImageBitmap|null>} `null` for what the browser cannot draw
 */
export async function readPicture(file) {
  try {
    const whole = await createImageBitmap(file);
    const scale = SHOWN_PX / Math.max(whole.width, whole.height);
    if (scale >= 1) return whole;
    const small = await createImageBitmap(whole, { resizeWidth: Math.round(whole.width * scale), resizeQuality: 'high' });
    whole.close();
    return small;
  } catch {
    return null;
  }
}

/** Make a picture file smaller; `null` for what the browser cannot draw. */
export async function shrinkPicture(file) {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, SENT_PX / Math.max(whole.width, whole.height));
    const canvas = new OffscreenCanvas(Math.round(whole.width * scale), Math.round(whole.height * scale));
    canvas.getContext('2d').drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    return canvas.convertToBlob({ type: 'image/jpeg', quality: SENT_QUALITY });
  } catch {
    return null;
  }
}

/** Draw a picture onto a canvas, turned clockwise by 0, 90, 180 or 270 degrees. */
export function drawTurned(canvas, bitmap, turn) {
  const isAcross = turn % 180 !== 0;
  canvas.width = isAcross ? bitmap.height : bitmap.width;
  canvas.height = isAcross ? bitmap.width : bitmap.height;
  const context = canvas.getContext('2d');
  context.translate(canvas.width / 2, canvas.height / 2);
  context.rotate((turn * Math.PI) / 180);
  context.drawImage(bitmap, -bitmap.width / 2, -bitmap.height / 2);
}

/** Give the address of a PNG in base64. */
export const pngAddress = (base64) => `data:image/png;base64,${base64}`;

/** Give a file in base64. */
export const toBase64 = (blob) =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(',')[1]);
    reader.readAsDataURL(blob);
  });
