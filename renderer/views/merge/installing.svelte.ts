/** The installation of native TensorFlow; it goes on while other views are shown. */
import { compute } from '../../lib/connection.ts';
import { Work } from '../../lib/work.svelte.ts';

interface Request {
  readonly gpu: boolean;
}

export const installing = new Work({
  view: 'merge',
  begin: (request: Request, options) => compute.engines.installTensorflow(request, options),
  done: () => 'Native TensorFlow is installed',
});
