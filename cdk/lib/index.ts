export { Functions } from './functions';
export type { Schedule } from './schedules';
export { ThroughlineStack } from './stack';
export { Throughline } from './throughline';
export type { ThroughlineProps } from './throughline';
