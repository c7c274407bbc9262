require "comparator-i;ascii-numeric";
if header :matches :comparator "i;ascii-numeric" "subject" "1*" { keep; }
