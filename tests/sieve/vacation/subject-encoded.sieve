require "vacation";
vacation :subject "=?utf-8?b?w4TDlsOc?= now" :from "=?utf-8?q?G=C3=BCnther?= B. <bob@example.net>" "away";
