import { App } from 'aws-cdk-lib';

import { ThroughlineStack } from '../lib/stack';

new ThroughlineStack(new App(), 'Throughline');
