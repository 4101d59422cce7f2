// Every time and every bound of a peripheral's machine, in seconds. The reasons stand in
// relay/peripheral/limits.py; a test holds both against each other.

export const ACTIVE_S = 0.9;
export const IDLE_S = 10.0;
export const BREAK_S = 10.0;
export const AHEAD_S = 0.9;
export const LATE_S = 0.005;
export const STALL_S = 0.25;
export const PATIENCE_S = 0.1;
export const PACKET_S = 1.0;
export const RETRY_FIRST_S = 0.05;
export const RETRY_MOST_S = 0.5;
export const FAILING_S = 1.0;
export const FAILING_EMERGENCY_S = 3.0;
export const PAUSES_S = 1.0;
export const SECOND_ROUND_S = 0.02;
export const SECOND_ROUND_MOST_S = 0.5;
export const STRAGGLER_S = 0.5;
export const SILENCE_S = 1.0;
export const LET_GO_S = 2.5;
export const LAST_STOP_S = 0.7;
export const LAST_LET_GO_S = 0.4;
export const OPERATION_S = 5.0;
export const MERGE_S = 0.002;
export const QUEUE_MOST = 256;
export const TIMED_MOST = 64;
export const HISTORY_MOST = 64;
export const TEXT_MOST = 512;
