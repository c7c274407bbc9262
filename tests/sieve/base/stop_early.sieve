require "fileinto";
if exists "subject" { fileinto "a"; stop; }
fileinto "b";
