require "vacation";
vacation :subject "Grüße" "Bin in Köln.";
