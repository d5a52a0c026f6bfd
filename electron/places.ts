/** Where things are: beside the sources when started from them, in the package's resources otherwise. */
import { app } from 'electron';
import path from 'node:path';

const application = app.getAppPath();
const built = path.join(application, 'dist/desktop');

export const places = {
  preload: path.join(built, 'preload.cjs'),
  window: path.join(built, 'renderer'),
  computeHost: path.join(built, 'host.mjs'),
  /** The programs that try native libraries. */
  probes: {
    probe: path.join(built, 'engine-probe.mjs'),
    tensorflow: path.join(built, 'tensorflow-probe.mjs'),
  },
  /** The bundled benchmark; outside of the archive, so that the engines can map its files. */
  demo: app.isPackaged
    ? path.join(process.resourcesPath, 'demo')
    : path.join(application, 'assets/demo'),
  icon: app.isPackaged
    ? path.join(process.resourcesPath, 'icon.png')
    : path.join(application, 'assets/icons/256x256.png'),
  userData: (name: string): string => path.join(app.getPath('userData'), name),
};
