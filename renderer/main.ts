import { mount } from 'svelte';
// First of all, so that no port that the preload script hands over is missed.
import './lib/connection.ts';
import App from './App.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
target.replaceChildren();
mount(App, { target });
