/**
 * Runs beside the page in a world of its own. Hands the ports from the main process on to the page, and tells the main
 * process the paths of dropped files, which the page itself must not know. The page gets nothing else.
 */
import { ipcRenderer, webUtils } from 'electron';

const origin = 'app://mergewright';

if (location.origin === origin && window === window.top) {
  ipcRenderer.on('port', (event, message: unknown) => {
    window.postMessage(message, origin, [...event.ports]);
  });

  const holdsFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes('Files') === true;
  window.addEventListener('dragover', (event) => {
    if (holdsFiles(event)) event.preventDefault();
  });
  window.addEventListener('drop', (event) => {
    if (!event.isTrusted || !holdsFiles(event)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    const paths = files.map((file) => webUtils.getPathForFile(file)).filter((path) => path !== '');
    ipcRenderer.send('dropped', { paths });
  });
}
