/**
 * A process of its own that tries a provider: a broken driver takes this process along, not the one that asked, and
 * what the driver writes on the error output can be read. Prints the product.
 */
import { probeHere } from './probe-here.ts';

const [backend = ''] = process.argv.slice(2);
const product = await probeHere(backend);
// Threads of a driver may keep the process, and some drivers fail while they are unloaded.
process.stdout.write(JSON.stringify(product), () => process.exit(0));
