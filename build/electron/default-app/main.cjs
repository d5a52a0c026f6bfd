// Runs the application in the folder that the command line names first, as the starter of stock Electron does.
const { app } = require('electron');
const fs = require('node:fs');
const path = require('node:path');

const argument = process.argv.slice(1).find((value) => !value.startsWith('-'));
if (argument === undefined) {
  console.error('usage: electron FOLDER');
  process.exit(2);
}
const folder = path.resolve(argument);
const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
app.setName(manifest.productName ?? manifest.name);
app.setVersion(manifest.version);
app.setAppPath(folder);
require(path.join(folder, manifest.main));
