/** Names and bytes of the files that the shell saves. */

/** Bytes as base64, in pieces that fit into one call's arguments. */
export function toBase64(bytes: Uint8Array): string {
  const piece = 0x80_00;
  let text = '';
  for (let at = 0; at < bytes.length; at += piece) {
    text += String.fromCharCode(...bytes.subarray(at, at + piece));
  }
  return btoa(text);
}

/** A name for the file that the shell's contract takes. */
export function fileName(parts: readonly string[], kind: string): string {
  const words = parts
    .join(' ')
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9 _.-]+/g, '')
    .replace(/^[^A-Za-z0-9]+/, '')
    .replace(/ +/g, ' ')
    .slice(0, 90)
    .trim();
  return `${words === '' ? 'mergewright' : words}.${kind}`;
}
