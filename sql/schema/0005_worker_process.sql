-- With its pid, this tells a worker from every other process: when it started, in clock ticks after which boot. So
-- anybody sees in /proc whether it lives, without its lock file.
ALTER TABLE workers ADD COLUMN process_start INTEGER;
ALTER TABLE workers ADD COLUMN boot_id TEXT;
