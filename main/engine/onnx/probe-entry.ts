/** The program that tries a provider (`runProbe`): prints the product. */
import { probeHere } from './probe-here.ts';

// Vulkan's loader then says which files it misses and which device it made.
process.env['VK_LOADER_DEBUG'] = 'error,driver';

const [backend = ''] = process.argv.slice(2);
const product = await probeHere(backend);
// Threads of a driver may keep the process, and some drivers fail while they are unloaded.
process.stdout.write(JSON.stringify(product), () => process.exit(0));
