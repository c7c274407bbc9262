require "fileinto";
if exists ["from", "date", "subject"] { fileinto "all"; } elsif exists "from" { fileinto "from"; }
