-- A role that may read the rows and keep the ledger, and nothing else: for a token in SUPABASE_JWT (docs/security.md).
-- Run it in the SQL editor, after the ledger's own SQL; running it again changes nothing.
-- If SUPABASE_TABLE is another table or view, write its name in place of 'analyses'.
do $$
declare
  wanted record;
  target regclass;
begin
  if not exists (select from pg_roles where rolname = 'reports_generator') then
    create role reports_generator nologin;
  end if;
  grant reports_generator to authenticator;
  grant usage on schema public to reports_generator;

  for wanted in
    select * from (values
      ('analyses', 'select', 'select'),
      ('report_deliveries', 'select, insert, update, delete', 'all'),
      ('report_notices', 'select, insert, update, delete', 'all')
    ) as rights (name, granted, covered)
  loop
    target := to_regclass(format('public.%I', wanted.name));
    -- The ledger's tables are there only where the ledger is kept in Supabase.
    if target is null and wanted.granted = 'select' then
      raise exception 'There is no table %: write the name of SUPABASE_TABLE in its place.', wanted.name;
    elsif target is null then
      continue;
    end if;
    execute format('grant %s on %s to reports_generator', wanted.granted, target);
    -- For this role alone, and idle where row-level security is off; a view follows its own tables' policies.
    if exists (select from pg_class where oid = target and relkind in ('r', 'p'))
      and not exists (select from pg_policy where polrelid = target and polname = 'reports_generator') then
      execute format('create policy reports_generator on %s for %s to reports_generator using (true)',
                     target, wanted.covered);
    end if;
  end loop;
end $$;

-- With REPORT_BUCKET, these lines too, with the bucket's name in place of 'reports':
-- grant usage on schema storage to reports_generator;
-- grant select on storage.buckets to reports_generator;
-- grant select, insert, update on storage.objects to reports_generator;
-- grant delete on storage.objects to reports_generator; -- with REPORT_KEEP_DAYS
-- create policy reports_generator on storage.buckets for select to reports_generator using (id = 'reports');
-- create policy reports_generator on storage.objects to reports_generator using (bucket_id = 'reports');
