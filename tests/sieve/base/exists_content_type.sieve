require "fileinto";
if exists "content-type" { fileinto "type"; } elsif exists "mime-version" { fileinto "mime"; }
