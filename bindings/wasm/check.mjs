// Runs a model on subbyte_wasm.wasm and compares its logits with those that a file names, one a line:
// node check.mjs MODULE LEVEL MODEL IMAGE LOGITS

import { readFile } from 'node:fs/promises';
import { Model } from './subbyte.mjs';

const [, , module, level, file, image, logits] = process.argv;
const expected = (await readFile(logits, 'utf8')).trim().split('\n').map(Number);
const wasm = await readFile(module);
const model = await Model.load(wasm, await readFile(file));
const check = (holds, what) => {
  if (!holds) {
    console.error(`error: ${what}`);
    process.exit(1);
  }
};

check(model.level === level, `the module runs ${model.level}, not ${level}`);
const input = await readFile(image);
// The second run finds the memory as the first one left it.
for (let run = 0; run < 2; run++) {
  const found = [...model.run(input)];
  check(found.length === expected.length, `${found.length} logits, not ${expected.length}`);
  const wrong = found.filter((logit, i) => logit !== expected[i]).length;
  check(wrong === 0, `${wrong} of ${expected.length} logits differ from the reference's`);
}
const damaged = await Model.load(wasm, new Uint8Array(100)).catch((error) => error);
check(damaged instanceof Error && damaged.message !== '', 'a file of zeros was taken for a model');

let fastest = Infinity;
for (let run = 0; run < 20; run++) {
  const start = performance.now();
  model.run(input);
  fastest = Math.min(fastest, performance.now() - start);
}
console.log(`${model.level}: ${expected.length} logits equal the reference's, ${fastest.toFixed(2)} ms an image`);
