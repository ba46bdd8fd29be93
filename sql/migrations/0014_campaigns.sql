-- A submission may say when it will be sent to: what is out of date by then is asked again.

ALTER TABLE submissions ADD COLUMN campaign_at timestamptz;

-- NULL: any fresh verdict answers the request; else only one that is not older than this.
ALTER TABLE requests ADD COLUMN reuse_from timestamptz;
