-- A failed package that is too large to be taken stays in the inbox: by this it is recognised, until it changes there.
ALTER TABLE jobs ADD COLUMN left_in_inbox TEXT CHECK (left_in_inbox IS NULL OR state = 'failed');
