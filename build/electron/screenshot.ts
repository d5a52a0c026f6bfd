/**
 * Takes a picture of the built application on its demo project:
 *
 *   npx tsx build/electron/screenshot.ts --view routing --theme dark --size 1400x900 --out picture.png
 *
 * --data FOLDER keeps (and finds again) the application's data there; --wait MS waits longer before the picture.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { launchBuilt } from '../../test/support/app.ts';

const views = ['project', 'merge', 'routing', 'compare', 'runs', 'export'];

const { values } = parseArgs({
  options: {
    view: { type: 'string', default: 'project' },
    theme: { type: 'string', default: 'light' },
    size: { type: 'string', default: '1400x900' },
    out: { type: 'string', default: 'screenshot.png' },
    wait: { type: 'string', default: '1500' },
    data: { type: 'string' },
  },
});
if (!views.includes(values.view)) throw new Error(`--view is one of: ${views.join(', ')}`);
const { theme } = values;
if (theme !== 'light' && theme !== 'dark') throw new Error('--theme: light or dark');
const [width = 0, height = 0] = values.size.split('x').map(Number);

const running = await launchBuilt(
  values.data === undefined ? {} : { userData: path.resolve(values.data) },
);
const { app, page, problems } = running;
try {
  await app.evaluate(
    ({ BrowserWindow, nativeTheme }, wanted) => {
      nativeTheme.themeSource = wanted.theme;
      BrowserWindow.getAllWindows()[0]?.setContentSize(wanted.width, wanted.height);
    },
    { theme, width, height } as const,
  );
  await page.waitForTimeout(Number(values.wait));
  await app.evaluate(({ Menu }, index) => {
    const menu = Menu.getApplicationMenu();
    const view = menu?.items.find((item) => item.label === '&View');
    view?.submenu?.items[index]?.click();
  }, views.indexOf(values.view));
  await page.waitForTimeout(Number(values.wait));
  await page.screenshot({ path: values.out });
  for (const problem of problems) console.log(problem);
} finally {
  await running.close();
}
