/** What the program that tries native TensorFlow computes and prints. */
export type ProbeAnswer = { readonly product: readonly number[] } | { readonly failure: string };

export const probeLeft = [1, 2, 3, 4, 5, 6];
export const probeRight = [1, -1, 0.5, 2, 0, 3];
/** `probeLeft` [2, 3] times `probeRight` [3, 2]; exact in fp32. */
export const probeProduct = [2, 12, 6.5, 24];
