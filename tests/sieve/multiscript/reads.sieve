require ["variables", "fileinto"];
if string "${v}" "" { fileinto "Four"; }
