import { Node } from 'constructs';

/** The settings that a person can choose, as context: `--context key=value`, or under `context` in `cdk.json`. */
export interface Settings {
  /**
   * Where the functions' code comes from. `source` builds it with cargo-lambda. Any other value is the folder that
   * `cargo lambda build` filled. Without a value the template has parameters for the location of the zip files.
   */
  readonly functions?: string;
  /** The address that is notified of failed runs and alarms. AWS asks this address for its consent first. */
  readonly email?: string;
  /** Runs that no upload starts. */
  readonly schedules: readonly ScheduleSettings[];
}

/** Runs a job repeatedly on a file in its input folder. */
export interface ScheduleSettings {
  /** Unique in the stack: letters, digits, `-`, `_`. */
  readonly name: string;
  /** The job's name, as in `jobs/<job>/job.toml`. */
  readonly job: string;
  /** The file's name, as in `jobs/<job>/input/<file>`. */
  readonly file: string;
  /** Minutes, hours, day of month, month, day of week, year: `0 6 * * ? *` is every day at six. */
  readonly cron: string;
  /** The time zone of `cron`, such as `Europe/Berlin`; UTC when left out. */
  readonly timezone?: string;
}

const KEYS = ['name', 'job', 'file', 'cron', 'timezone'];

/** Reads the settings from the context. Throws, in words, when one is wrong. */
export function readSettings(node: Node): Settings {
  const functions: unknown = node.tryGetContext('functions');
  const email: unknown = node.tryGetContext('email');
  const schedules: unknown = node.tryGetContext('schedules') ?? [];
  if (!Array.isArray(schedules)) {
    throw new Error('the context "schedules" must be a list: write it in cdk.json');
  }
  const read = schedules.map(readSchedule);
  const names = read.map((schedule) => schedule.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new Error(`two schedules have the name "${twice}"`);
  }
  return {
    ...(functions !== undefined && { functions: text('functions', functions, /./) }),
    ...(email !== undefined && { email: text('email', email, /^\S+@\S+$/) }),
    schedules: read,
  };
}

function readSchedule(value: unknown, index: number): ScheduleSettings {
  const place = `schedules[${index}]`;
  if (typeof value !== 'object' || value === null) {
    throw new Error(`${place} must be an object with name, job, file and cron`);
  }
  const given = value as Record<string, unknown>;
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    throw new Error(`${place} has the unknown key "${unknown}": the keys are ${KEYS.join(', ')}`);
  }
  return {
    name: text(`${place}.name`, given['name'], /^[A-Za-z0-9_-]{1,64}$/),
    job: text(`${place}.job`, given['job'], /^[^/]+$/),
    file: text(`${place}.file`, given['file'], /[^/]$/),
    cron: text(`${place}.cron`, given['cron'], /^[\w*?,/#-]+( [\w*?,/#-]+){5}$/),
    ...(given['timezone'] !== undefined && { timezone: text(`${place}.timezone`, given['timezone'], /^[\w/+-]+$/) }),
  };
}

function text(place: string, value: unknown, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) {
    throw new Error(`the context "${place}" must be a text that matches ${pattern}, but is ${JSON.stringify(value)}`);
  }
  return value;
}
