-- The index that reading a window wants: its rows lie together and in the order they are read.
-- A valid one stays as it is. One whose build was cut off counts as there, but is never used: it is made anew.
-- It is one statement, so that it works in Supabase's SQL editor, in psql and in a migration. While the index is built,
-- whoever writes to the table waits; if that is too long for a large table, run this alone in its place, after
-- `drop index concurrently analyses_created_at_id;` if an earlier build was cut off:
--   create index concurrently analyses_created_at_id on analyses (created_at, id);
do $$
begin
  set local lock_timeout = '5s';  -- rather fail than make others queue behind somebody who keeps the table
  if exists (select from pg_index where indexrelid = to_regclass('analyses_created_at_id') and not indisvalid) then
    drop index analyses_created_at_id;
  end if;
  create index if not exists analyses_created_at_id on analyses (created_at, id);
end $$;
