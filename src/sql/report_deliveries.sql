-- The ledger of deliveries, for REPORT_LEDGER=supabase: one record a window, and the notices that were sent.
-- Run it once in the SQL editor; running it again changes nothing.

-- The table of version 1.0 becomes this one. Its records get these two names:
do $$
declare
  -- that of the deployment they are of: its namespace, or REPORT_LEDGER_NAME;
  name_of_1_0 constant text := 'production';
  -- the time zone of daily reports, REPORT_TIMEZONE.
  zone_of_1_0 constant text := 'UTC';
  old_key text;
begin
  if to_regclass('report_deliveries') is null or exists (
    select from pg_attribute
    where attrelid = to_regclass('report_deliveries') and attname = 'name' and not attisdropped
  ) then
    return;
  end if;
  alter table report_deliveries
    add column name text, add column source text, add column zone text, add column version integer not null default 0;
  alter table report_deliveries disable trigger user; -- it would renew what is claimed
  update report_deliveries set
    name = name_of_1_0,
    template = split_part(template, '.', 1),
    source = split_part(template, '.', 2),
    zone = case when template like 'daily.%' then zone_of_1_0 else 'UTC' end;
  alter table report_deliveries enable trigger user;
  select conname into old_key from pg_constraint
  where conrelid = to_regclass('report_deliveries') and contype = 'p';
  execute format('alter table report_deliveries drop constraint %I', old_key);
  alter table report_deliveries
    alter column name set not null, alter column source set not null, alter column zone set not null,
    add primary key (name, template, source, zone, window_start);
end $$;

create table if not exists report_deliveries (
  name text not null, -- the deployment: its namespace, or REPORT_LEDGER_NAME
  template text not null, -- hourly or daily
  source text not null, -- of the project and the table that are reported, as a hash
  zone text not null, -- REPORT_TIMEZONE of daily reports; UTC for hours
  window_start timestamptz not null,
  record jsonb not null, -- attempts, and for each recipient the state and how many rows were sent; "format" numbers its form
  version integer not null default 0, -- one more with each change, so that a change that comes late changes nothing
  scheduled boolean not null default false, -- opened by a scheduled run, not by one that asked for this very window
  holder text,
  lease_seconds integer not null default 0,
  lease_until timestamptz,
  updated_at timestamptz not null default now(),
  primary key (name, template, source, zone, window_start)
);

-- What somebody was told of that isn't about one window.
create table if not exists report_notices (
  name text not null, -- of a ledger: name, template, source and zone
  key text not null,
  told_at timestamptz,
  cleared_at timestamptz,
  primary key (name, key)
);

-- The database's clock decides how long a claim lives, an hour at most, whatever the clocks of the nodes say.
create or replace function report_deliveries_clock() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  new.lease_until := case when new.holder is null then null
                          else now() + make_interval(secs => least(new.lease_seconds, 3600)) end;
  return new;
end $$;
drop trigger if exists report_deliveries_clock on report_deliveries;
create trigger report_deliveries_clock before insert or update on report_deliveries
  for each row execute function report_deliveries_clock();

-- Only the secret key's role may touch them, and a role for the reports alone where there is one.
do $$
declare
  kept text;
begin
  foreach kept in array array['report_deliveries', 'report_notices'] loop
    execute format('alter table %I enable row level security', kept);
    execute format('revoke all on %I from public, anon, authenticated, service_role', kept);
    execute format('grant select, insert, update, delete on %I to service_role', kept);
    if exists (select from pg_roles where rolname = 'reports_generator') then
      execute format('revoke all on %I from reports_generator', kept);
      execute format('grant select, insert, update, delete on %I to reports_generator', kept);
      if not exists (
        select from pg_policy where polrelid = to_regclass(kept) and polname = 'reports_generator'
      ) then
        execute format('create policy reports_generator on %I to reports_generator using (true)', kept);
      end if;
    end if;
  end loop;
end $$;

notify pgrst, 'reload schema';
