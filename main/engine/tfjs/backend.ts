/** A started backend of TensorFlow.js. */
export interface Backend {
  /** TensorFlow.js's own name of it. */
  readonly name: string;
  readonly title: string;
  readonly device: 'cpu' | 'gpu';
  readonly threads: number;
}
