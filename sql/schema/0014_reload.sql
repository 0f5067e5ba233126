-- A file of settings that has changed is taken over by whoever goes on, when somebody asks for it in its row: that takes
-- no right to signal another user's process. What it took over is the answer.
ALTER TABLE runners ADD COLUMN settings_state TEXT;  -- of jobrunner.toml as its settings were read; NULL: there was none
ALTER TABLE runners ADD COLUMN reloads_asked INTEGER NOT NULL DEFAULT 0 CHECK (reloads_asked >= 0);
ALTER TABLE runners ADD COLUMN reloads_done INTEGER NOT NULL DEFAULT 0 CHECK (reloads_done BETWEEN 0 AND reloads_asked);
ALTER TABLE runners ADD COLUMN reload_answer TEXT CHECK (reload_answer IS NULL OR json_valid(reload_answer));
