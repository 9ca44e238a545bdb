import { App } from 'aws-cdk-lib';

import { readSettings } from '../lib/settings';
import { ThroughlineStack } from '../lib/stack';

const app = new App();
new ThroughlineStack(app, 'Throughline', {
  description: 'throughline: one network request per line of a file',
  settings: readSettings(app.node),
});
