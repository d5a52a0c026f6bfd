/**
 * `npm run package [-- TARGET…]`: packages the application for this system into release/. Targets are those of
 * electron-builder for it (AppImage, deb, nsis, dmg …); without any, `dir`: the unpacked application.
 */
import { packageApplication } from './packaging.ts';

const named = process.argv.slice(2);
await packageApplication(named.length === 0 ? ['dir'] : named);
