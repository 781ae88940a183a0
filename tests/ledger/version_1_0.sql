-- The ledger of deliveries, for REPORT_LEDGER=supabase: one record a window.
-- Run it once in the SQL editor; running it again changes nothing.
create table if not exists report_deliveries (
  template text not null, -- hourly or daily, a dot, and a name for the table that is reported
  window_start timestamptz not null,
  record jsonb not null,
  scheduled boolean not null default false, -- opened by a scheduled run, not by one that asked for this very window
  holder text,
  lease_seconds integer not null default 0,
  lease_until timestamptz,
  updated_at timestamptz not null default now(),
  primary key (template, window_start)
);

-- The database's clock decides how long a claim lives, whatever the clocks of the nodes say.
create or replace function report_deliveries_clock() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  new.lease_until := case when new.holder is null then null
                          else now() + make_interval(secs => new.lease_seconds) end;
  return new;
end $$;
drop trigger if exists report_deliveries_clock on report_deliveries;
create trigger report_deliveries_clock before insert or update on report_deliveries
  for each row execute function report_deliveries_clock();

-- Only the secret key's role may touch it: no policy lets any other role in.
alter table report_deliveries enable row level security;
revoke all on report_deliveries from anon, authenticated;
grant select, insert, update on report_deliveries to service_role;
