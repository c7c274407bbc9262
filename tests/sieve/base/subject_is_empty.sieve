require "fileinto";
if header :is "subject" "" { fileinto "empty"; } elsif exists "subject" { fileinto "there"; } else { fileinto "missing"; }
