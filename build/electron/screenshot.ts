/**
 * Takes a picture of the built application on its demo project:
 *
 *   npx tsx build/electron/screenshot.ts --view routing --theme dark --size 1400x900 --out picture.png
 *
 * --data FOLDER keeps (and finds again) the application's data there; --project FOLDER opens that one; --wait MS waits
 * longer before the picture. --press BUTTON presses a button first, and --card TITLE takes that card alone.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { launchBuilt } from '../../test/support/app.ts';

const themes = ['system', 'light', 'dark'];
const views = ['project', 'merge', 'routing', 'compare', 'runs', 'export'];

const { values } = parseArgs({
  options: {
    view: { type: 'string', default: 'project' },
    theme: { type: 'string', default: 'light' },
    size: { type: 'string', default: '1400x900' },
    out: { type: 'string', default: 'screenshot.png' },
    wait: { type: 'string', default: '1500' },
    data: { type: 'string' },
    project: { type: 'string' },
    press: { type: 'string' },
    card: { type: 'string' },
  },
});
if (!views.includes(values.view)) throw new Error(`--view is one of: ${views.join(', ')}`);
if (!themes.includes(values.theme)) throw new Error(`--theme is one of: ${themes.join(', ')}`);
const [width = 0, height = 0] = values.size.split('x').map(Number);

const running = await launchBuilt({
  ...(values.data !== undefined && { userData: path.resolve(values.data) }),
  ...(values.project !== undefined && { project: path.resolve(values.project) }),
});
const { app, page, problems } = running;
try {
  await app.evaluate(
    ({ BrowserWindow, Menu }, wanted) => {
      BrowserWindow.getAllWindows()[0]?.setContentSize(wanted.width, wanted.height);
      const view = Menu.getApplicationMenu()?.items.find((item) => item.label === '&View');
      const theme = view?.submenu?.items.find((item) => item.label === 'Theme');
      theme?.submenu?.items[wanted.theme]?.click();
    },
    { theme: themes.indexOf(values.theme), width, height },
  );
  await page.waitForTimeout(Number(values.wait));
  await app.evaluate(({ Menu }, index) => {
    const view = Menu.getApplicationMenu()?.items.find((item) => item.label === '&View');
    view?.submenu?.items[index]?.click();
  }, views.indexOf(values.view));
  await page.waitForTimeout(Number(values.wait));
  if (values.press !== undefined) {
    await page.getByRole('button', { name: values.press }).click();
    await page.mouse.move(0, 0);
    await page.waitForTimeout(Number(values.wait));
  }
  const cardCalled = (name: string) =>
    page.locator('section', { has: page.getByRole('heading', { name }) }).last();
  const picture = await (values.card === undefined ? page : cardCalled(values.card)).screenshot();
  // The window has few colours: a palette takes a third of the space.
  await sharp(picture).png({ palette: true, compressionLevel: 9 }).toFile(values.out);
  for (const problem of problems) console.log(problem);
} finally {
  await running.close();
}
