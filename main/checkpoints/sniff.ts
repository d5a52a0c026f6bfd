/** Recognises files that are not safetensors, so that the error can say what they are. */

interface Guess {
  /** What the file is, with an article. */
  readonly is: string;
  readonly hint: string;
}

const convert = 'convert it to safetensors with the program that wrote it, then open the result';
const redownload = 'download the real file (its size should be many megabytes) and open that';

interface Signature extends Guess {
  readonly matches: (text: string) => boolean;
}

const starts =
  (...prefixes: readonly string[]) =>
  (text: string): boolean =>
    prefixes.some((prefix) => text.startsWith(prefix));

/** Byte signatures as Latin-1 text. */
const signatures: readonly Signature[] = [
  {
    is: 'a Git LFS pointer (a note about the weights, without the weights)',
    hint: 'run "git lfs pull" in its repository, or download the file again',
    matches: starts('version https://git-lfs'),
  },
  {
    is: 'a web page (HTML), probably an error or sign-in page',
    hint: redownload,
    matches: (text) => /^\s*<(?:!doctype|html|head|\?xml|!--)/i.test(text),
  },
  { is: 'a GGUF file', hint: convert, matches: starts('GGUF') },
  {
    is: 'a zip archive, probably a PyTorch checkpoint (.pt, .bin)',
    hint: 'give the file the ending .pt or .bin and open it again',
    matches: starts('PK\x03\x04', 'PK\x05\x06'),
  },
  {
    is: 'a Python pickle that torch.save did not write',
    hint: 'in Python, load it where you trust it and save its tensors with torch.save',
    matches: (text) => /^\x80[\x02-\x05]/.test(text),
  },
  { is: 'a PDF document', hint: redownload, matches: starts('%PDF-') },
  { is: 'an HDF5 file (Keras or TensorFlow weights)', hint: convert, matches: starts('\x89HDF') },
  { is: 'a NumPy array', hint: convert, matches: starts('\x93NUMPY') },
  {
    is: 'a tar archive, perhaps a PyTorch checkpoint from before 2017',
    hint: 'in Python, load it where you trust it and save its state_dict with torch.save',
    matches: (text) => text.slice(257, 262) === 'ustar',
  },
  {
    is: 'a compressed archive',
    hint: 'unpack it and open the checkpoint inside',
    matches: starts('\x1f\x8b', '7z\xbc\xaf', '\x28\xb5\x2f\xfd', 'Rar!'),
  },
  {
    is: 'a JSON text file',
    hint: 'open the weights themselves, or the folder they are in',
    matches: (text) => /^\s*[{[]\s*["{}[\]]/.test(text),
  },
];

/** Says what the first bytes of a file look like; undefined when they look like nothing known. */
export function sniffFormat(firstBytes: Uint8Array): Guess | undefined {
  const text = Buffer.from(firstBytes).toString('latin1');
  return signatures.find((signature) => signature.matches(text));
}
