// Prints what libraries for Node read in the workbooks of its arguments: [{library: {sheet: {address: value}}}, ...].
// A moment is what SheetJS shows, what exceljs takes for one, and for xlsx-populate the number that it is in the file.
import { readFileSync } from "node:fs";
import ExcelJS from "exceljs";
import { read } from "xlsx";
import XlsxPopulate from "xlsx-populate";

const collected = (cells) => Object.fromEntries(cells.filter(([, value]) => value !== null && value !== undefined));

function bySheetJS(content) {
  const { Sheets } = read(content, { cellNF: true });
  const value = (cell) => (cell.z?.includes("yyyy") ? cell.w : cell.v);
  const cells = (sheet) => Object.entries(sheet).filter(([address]) => !address.startsWith("!"));
  return Object.fromEntries(
    Object.entries(Sheets).map(([name, sheet]) => [
      name,
      collected(cells(sheet).map(([address, cell]) => [address, value(cell)])),
    ]),
  );
}

async function byExceljs(content) {
  const book = new ExcelJS.Workbook();
  await book.xlsx.load(content);
  const cells = (sheet) => {
    const found = [];
    sheet.eachRow((row) =>
      row.eachCell((cell) => cell.master === cell && found.push([cell.address, cell.value?.text ?? cell.value])),
    );
    return collected(found);
  };
  return Object.fromEntries(book.worksheets.map((sheet) => [sheet.name, cells(sheet)]));
}

async function byXlsxPopulate(content) {
  const book = await XlsxPopulate.fromDataAsync(content);
  const cells = (sheet) => collected(sheet.usedRange().cells().flat().map((cell) => [cell.address(), cell.value()]));
  return Object.fromEntries(book.sheets().map((sheet) => [sheet.name(), cells(sheet)]));
}

const found = [];
for (const path of process.argv.slice(2)) {
  const content = readFileSync(path);
  found.push({
    SheetJS: bySheetJS(content),
    exceljs: await byExceljs(content),
    "xlsx-populate": await byXlsxPopulate(content),
  });
}
console.log(JSON.stringify(found));
