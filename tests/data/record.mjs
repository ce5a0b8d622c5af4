// Record what JavaScript prints, as the oracle of the tests in tests/unit/base.
//
//   node tests/data/record.mjs
//
// writes the .txt files beside this script. The same Node major gives the same
// bytes: the random numbers are our own. The files were recorded with Node 20.
import { writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);

function write(name, lines) {
  writeFileSync(new URL(name, here), lines.join('\n') + '\n');
}

// xorshift64*
let state = 88172645463325252n;
function random64() {
  state ^= state >> 12n;
  state ^= (state << 25n) & 0xffffffffffffffffn;
  state ^= state >> 27n;
  return (state * 2685821657736338717n) & 0xffffffffffffffffn;
}
function random(limit) {
  return Number(random64() % BigInt(limit));
}
function pick(list) {
  return list[random(list.length)];
}

// ---- numbers.txt: the bits of a double, what it prints as --------------------

const view = new DataView(new ArrayBuffer(8));
function bitsOf(number) {
  view.setFloat64(0, number);
  return view.getBigUint64(0);
}
function fromBits(bits) {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

const numbers = new Set();
function addNumber(number) {
  if (Number.isFinite(number)) numbers.add(bitsOf(number));
}
for (const number of [0, -0, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53 - 1,
  2 ** 53, 2 ** 53 + 2, 1e21, 999999999999999900000, 1e-6, 1e-7, 0.1 + 0.2,
  123456789012345680000, 4.35, 0.000001, 1.5e-10, 5e-324, 2 ** -44,
  9.5e-7, 299792458, 6.02214076e23]) {
  addNumber(number);
  addNumber(-number);
}
for (let exponent = -1074; exponent < 1024; exponent++) {
  const bits = bitsOf(2 ** exponent);
  for (const offset of [-1n, 0n, 1n]) addNumber(fromBits(bits + offset));
}
for (let power = -324; power <= 308; power += 1)
  for (const digits of [1, 9, 10 + random(90), 10 + random(90)])
    addNumber(Number(`${digits}e${power}`));
for (let i = 0; i < 2500; i++) // subnormals
  addNumber(fromBits(random64() >> BigInt(12 + random(52))));
for (let i = 0; i < 2500; i++) // prices, seconds, percentages
  addNumber(Number(`${random(10 ** random(10))}.${random(10 ** (1 + random(9)))}`));
for (let i = 0; i < 1000; i++) // whole numbers
  addNumber(Number(random64() >> BigInt(random(64))));
while (numbers.size < 20000) addNumber(fromBits(random64()));
write('numbers.txt', [...numbers].map((bits) =>
  `${bits.toString(16).padStart(16, '0')}\t${JSON.stringify(fromBits(bits))}`));

// ---- strings.txt: a JSON string all in escapes, what it prints as ------------

function escaped(text) {
  let result = '"';
  for (let i = 0; i < text.length; i++)
    result += '\\u' + text.charCodeAt(i).toString(16).padStart(4, '0');
  return result + '"';
}
const strings = [''];
for (let unit = 0; unit < 0x180; unit++) strings.push(String.fromCharCode(unit));
for (const unit of [0x7ff, 0x800, 0x2028, 0x2029, 0xd7ff, 0xd800, 0xdbff, 0xdc00,
  0xdfff, 0xe000, 0xfeff, 0xfffd, 0xfffe, 0xffff]) {
  strings.push(String.fromCharCode(unit));
  strings.push('a' + String.fromCharCode(unit) + 'b');
}
for (const code of [0x10000, 0x1f600, 0x10fffd, 0x10ffff])
  strings.push(String.fromCodePoint(code));
const units = [0, 8, 9, 10, 12, 13, 0x1f, 0x22, 0x2f, 0x5c, 0x61, 0x7a, 0x7f,
  0x80, 0xe9, 0x20ac, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xffff];
for (let i = 0; i < 1500; i++) {
  let text = '';
  for (let n = random(24); n > 0; n--) text += String.fromCharCode(pick(units));
  strings.push(text);
}
for (let i = 0; i < 300; i++) { // long runs with one thing in them
  const place = random(40);
  const unit = pick(units);
  strings.push('x'.repeat(place) + String.fromCharCode(unit) +
    'y'.repeat(random(40)));
}
write('strings.txt', strings.map((text) =>
  `${escaped(text)}\t${JSON.stringify(text)}`));

// ---- documents.txt: a JSON text, what it prints as once it was read ----------

function randomKey() {
  const kind = random(4);
  if (kind === 0) return String(random(12));
  if (kind === 1) return pick(['4294967294', '4294967295', '4294967296', '00',
    '01', '-1', '1.5', '1e3', ' 1', '']);
  if (kind === 2) return String(random64() & 0xffffffffn);
  return 'k' + random(50);
}
function randomText(depth) {
  const space = () => pick(['', '', ' ', '\\t', '  ']).replace('\\t', '\t');
  const kind = depth > 4 ? random(5) : random(8);
  if (kind === 0) return pick(['true', 'false', 'null']);
  if (kind === 1) return String(random(2 ** 31) - 2 ** 30);
  if (kind === 2) return pick(['-0', '0.0', '1E5', '1e-5', '2.50', '-0.0e+7',
    '123456789.125', '1e21', '1e20', '12345678901234567890']);
  if (kind <= 4) return pick(['""', '"a\\/b"', '"\\u0041\\n"', '"\u00e9\ud83d\ude00"',
    '"\\ud83d\\ude00"', '"\\ud83d"', '"\\u0000"']);
  const parts = [];
  if (kind === 5) {
    for (let n = random(6); n > 0; n--)
      parts.push(space() + randomText(depth + 1) + space());
    return '[' + (parts.length ? parts.join(',') : space()) + ']';
  }
  const keys = new Set();
  for (let n = random(depth ? 8 : 60); n > 0; n--) keys.add(randomKey());
  for (const key of keys)
    parts.push(space() + JSON.stringify(key) + space() + ':' + space() +
      randomText(depth + 1) + space());
  return '{' + (parts.length ? parts.join(',') : space()) + '}';
}
const documents = [];
for (let i = 0; i < 160; i++) documents.push(randomText(0));
// Several blanks are drawn as real tabs, so the separator is U+001F.
write('documents.txt', documents.map((text) =>
  `${text}\u001f${JSON.stringify(JSON.parse(text))}`));

// ---- utf8.txt: bytes in hexadecimal, the string that they decode to ----------
//
// U+FFFD for what is malformed. Left out is what our strings give a meaning to:
// C0 80 for U+0000, ED A0..BF for surrogates.

const bytes = [0x00, 0x22, 0x41, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
  0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff];
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const sequences = new Set();
function addSequence(sequence) {
  for (let i = 0; i + 1 < sequence.length; i++)
    if ((sequence[i] === 0xc0 && sequence[i + 1] === 0x80) ||
      (sequence[i] === 0xed && sequence[i + 1] >= 0xa0 && sequence[i + 1] <= 0xbf))
      return;
  sequences.add(Buffer.from(sequence).toString('hex'));
}
for (const first of bytes) {
  addSequence([first]);
  for (const second of bytes) addSequence([first, second]);
}
while (sequences.size < 4000) {
  const sequence = [];
  for (let n = 3 + random(6); n > 0; n--) sequence.push(pick(bytes));
  addSequence(sequence);
}
write('utf8.txt', [...sequences].map((hex) =>
  `${hex}\t${JSON.stringify(decoder.decode(Buffer.from(hex, 'hex')))}`));

// ---- iso.txt: milliseconds, the instant as text ------------------------------

const instants = new Set([0, -1, 1, 999, -1000, 8640000000000000,
  -8640000000000000, 253402300799999, 253402300800000, -62167219200000,
  -62167219200001, 1775030400000]);
for (const year of [-271821, -10000, -401, -400, -1, 0, 1, 1600, 1700, 1900,
  1969, 1970, 1972, 2000, 2023, 2024, 2100, 2400, 9999, 10000, 275759])
  for (const [month, day] of [[0, 1], [1, 28], [1, 29], [2, 1], [11, 31]])
    for (const ms of [0, 1, 86399999]) {
      const date = new Date(0);
      date.setUTCFullYear(year, month, day);
      const instant = date.getTime() + ms;
      if (Math.abs(instant) <= 8.64e15) instants.add(instant);
    }
for (let i = 0; i < 1500; i++) instants.add(random(2 * 8.64e15) - 8.64e15);
for (let i = 0; i < 500; i++) instants.add(random(4102444800000));
write('iso.txt', [...instants].map((ms) =>
  `${ms}\t${new Date(ms).toISOString()}`));

// ---- trim.txt: the code points that String.prototype.trim takes off ----------

const trimmed = [];
for (let code = 0; code <= 0x10ffff; code++)
  if (String.fromCodePoint(code).trim() === '') trimmed.push(code.toString(16));
write('trim.txt', trimmed);
